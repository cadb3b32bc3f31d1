/** The menu of a panel's exports: a list of buttons under one button, closed by Escape and by a click elsewhere. */
export interface ExportMenu {
  readonly node: HTMLElement;
  toggle(): void;
  dispose(): void;
}

export interface ExportChoice {
  id: 'png' | 'svg' | 'csv' | 'arrow' | 'cell' | 'insert';
  text: string;
  save(): Promise<void> | void;
}

/** Builds the menu. `opener` is the button that it belongs to; `say` tells how it went. */
export function createExportMenu(
  opener: HTMLElement,
  choices: readonly ExportChoice[],
  say: (text: string) => void,
): ExportMenu {
  const node = document.createElement('div');
  node.className = 'kvlab-menu';
  node.setAttribute('role', 'menu');
  node.setAttribute('aria-label', 'Export');
  node.hidden = true;
  opener.setAttribute('aria-haspopup', 'menu');
  const close = (refocus: boolean) => {
    node.hidden = true;
    opener.setAttribute('aria-expanded', 'false');
    if (refocus) opener.focus();
  };
  close(false);
  const items = choices.map(({ id, text, save }) => {
    const item = document.createElement('button');
    item.type = 'button';
    item.setAttribute('role', 'menuitem');
    item.dataset.export = id;
    item.textContent = text;
    item.addEventListener('click', () => {
      close(true);
      Promise.resolve()
        .then(save)
        .then(
          () => say(`${text}: done`),
          (error: unknown) => say(error instanceof Error ? error.message : String(error)),
        );
    });
    return item;
  });
  node.append(...items);
  node.addEventListener('keydown', (event) => {
    const at = items.indexOf(document.activeElement as HTMLButtonElement);
    const to: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
    if (event.key === 'Escape') close(true);
    else if (to[event.key] !== undefined) items.at(to[event.key]! % items.length)?.focus();
    else if (event.key === 'Tab') return close(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const outside = (event: Event) => {
    if (!node.hidden && !node.contains(event.target as Node) && event.target !== opener) close(false);
  };
  document.addEventListener('pointerdown', outside);
  return {
    node,
    toggle() {
      if (!node.hidden) return close(true);
      node.hidden = false;
      opener.setAttribute('aria-expanded', 'true');
      items[0]?.focus();
    },
    dispose: () => document.removeEventListener('pointerdown', outside),
  };
}
