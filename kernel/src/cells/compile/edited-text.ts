/** A text with insertions, and positions carried between it and the original. */

export interface Insertion {
  /** UTF-16 offset in the original. */
  at: number;
  text: string;
  /** Stays behind a cursor that is at the same place. */
  trailing?: true;
}

export interface EditedText {
  original: string;
  text: string;
  /** Sorted by position; none holds a line break but those at the very end. */
  insertions: readonly Insertion[];
  toEdited(offset: number): number;
  /** A position inside an insertion goes to the place where it was inserted. */
  toOriginal(offset: number): number;
  /** True when the position is inside an insertion. */
  isInserted(offset: number): boolean;
}

/** Applies insertions; those at the same place keep their order. */
export function editText(original: string, unsorted: readonly Insertion[]): EditedText {
  const insertions = [...unsorted].sort((a, b) => a.at - b.at);
  let text = '';
  let from = 0;
  for (const { at, text: inserted } of insertions) {
    text += original.slice(from, at) + inserted;
    from = at;
  }
  text += original.slice(from);

  function back(offset: number): { original: number; inserted: boolean } {
    let shift = 0;
    for (const { at, text: inserted } of insertions) {
      const start = at + shift;
      if (offset < start) break;
      if (offset < start + inserted.length) return { original: at, inserted: true };
      shift += inserted.length;
    }
    return { original: offset - shift, inserted: false };
  }
  return {
    original,
    text,
    insertions,
    toEdited(offset) {
      let shift = 0;
      for (const { at, text: inserted, trailing } of insertions)
        if (at < offset || (at === offset && !trailing)) shift += inserted.length;
      return offset + shift;
    },
    toOriginal: (offset) => back(offset).original,
    isInserted: (offset) => back(offset).inserted,
  };
}
