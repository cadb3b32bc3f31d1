/** Colours of the lab in three themes. Ink says how much, hue says what kind; zero is paper. */

/** Kinds of zones that have a hue of their own. */
export type Tone = 'sinks' | 'heavy' | 'recent' | 'body' | 'fresh';

export interface Theme {
  readonly name: 'light' | 'dark' | 'contrast';
  paper: string;
  ink: string;
  ink2: string;
  ink3: string;
  rule: string;
  rule2: string;
  error: string;
  tones: Record<Tone, string>;
  /** Hues of compared methods; the full cache is ink. */
  methods: readonly string[];
  slack: string;
  goneGround: string;
  goneHatch: string;
  /** 256 colours from 0 to 1 as packed RGBA, and the same as CSS. */
  ramp: Uint32Array;
  rampCss: string[];
  font: string;
  codeFont: string;
}

interface Palette {
  paper: string;
  inks: [string, string, string];
  rules: [string, string];
  error: string;
  ramp: string[];
  tones: Record<Tone, string>;
  methods: readonly string[];
  slack: string;
  gone: [string, string];
}

const palettes: Record<Theme['name'], Palette> = {
  light: {
    paper: '#FFFFFF',
    inks: ['#16181C', '#4A4F57', '#6B7079'],
    rules: ['#E3E5E8', '#C9CCD1'],
    error: '#B3261E',
    ramp: ['#FFFFFF', '#ECE5CB', '#B9B592', '#7B8286', '#42587A', '#00224E'],
    tones: { sinks: '#9A2F78', heavy: '#D55E00', recent: '#0072B2', body: '#00805D', fresh: '#C9D0D8' },
    methods: ['#6A3FA0', '#A35200', '#007C86', '#B58900'],
    slack: '#8B9098',
    gone: ['#ECEEF1', '#D3D7DC'],
  },
  dark: {
    paper: '#212121',
    inks: ['#F2F3F5', '#C3C7CD', '#9AA0A8'],
    rules: ['#37393D', '#54575D'],
    error: '#FF8A80',
    ramp: ['#212326', '#243A5C', '#4F617B', '#8B8878', '#C6B25A', '#F5E06A'],
    tones: { sinks: '#F0A8D4', heavy: '#F0953A', recent: '#56B4E9', body: '#35B58F', fresh: '#4E5762' },
    methods: ['#B9A0F0', '#E8A860', '#4FC6CC', '#E8E04A'],
    slack: '#83888F',
    gone: ['#2B2D30', '#404348'],
  },
  contrast: {
    paper: '#111111',
    inks: ['#FFFFFF', '#FFFFFF', '#D8D8D8'],
    rules: ['#6A6A6A', '#BDBDBD'],
    error: '#FF9D94',
    ramp: ['#111111', '#163660', '#53688A', '#96927F', '#D8C455', '#FFEF5A'],
    tones: { sinks: '#FFB3E0', heavy: '#FFA040', recent: '#6CC8FF', body: '#4FE0B4', fresh: '#66717F' },
    methods: ['#CDB8FF', '#FFC078', '#68E6EC', '#F2E85A'],
    slack: '#B0B0B0',
    gone: ['#1F1F1F', '#5A5A5A'],
  },
};

/** Reads the theme of the page from the variables of JupyterLab, as they are now. */
export function readTheme(node: HTMLElement): Theme {
  const style = getComputedStyle(node);
  const paper = style.getPropertyValue('--jp-layout-color1').trim();
  const chosen = node.closest<HTMLElement>('.kvlab-lab')?.dataset.colours;
  const name = themeName(paper, chosen ?? document.body.dataset.jpThemeName ?? '');
  const font = style.getPropertyValue('--jp-ui-font-family').trim() || 'system-ui, sans-serif';
  const codeFont = style.getPropertyValue('--jp-code-font-family').trim() || 'monospace';
  return themeOf(name, paper, font, codeFont);
}

/** Builds a theme from its palette; the page's paper wins, so that zero is always paper. */
export function themeOf(name: Theme['name'], pagePaper: string, font: string, codeFont: string): Theme {
  const palette = palettes[name];
  const paper = /^#[0-9a-f]{6}$/i.test(pagePaper) ? pagePaper : palette.paper;
  const stops = [paper, ...palette.ramp.slice(1)].map(rgb);
  const ramp = new Uint32Array(256);
  const rampCss: string[] = [];
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1);
    const low = stops[Math.min(stops.length - 2, Math.floor(at))]!;
    const high = stops[Math.min(stops.length - 1, Math.floor(at) + 1)]!;
    const part = i === 255 ? 1 : at - Math.floor(at);
    const [r, g, b] = low.map((v, c) => Math.round(v + (high[c]! - v) * part)) as [number, number, number];
    ramp[i] = packed(r, g, b);
    rampCss.push(`rgb(${r}, ${g}, ${b})`);
  }
  return {
    name,
    paper,
    ink: palette.inks[0],
    ink2: palette.inks[1],
    ink3: palette.inks[2],
    rule: palette.rules[0],
    rule2: palette.rules[1],
    error: palette.error,
    tones: palette.tones,
    methods: palette.methods,
    slack: palette.slack,
    goneGround: palette.gone[0],
    goneHatch: palette.gone[1],
    ramp,
    rampCss,
    font,
    codeFont,
  };
}

/** Hue of a zone by its name. A body that is stored exactly is as quiet as fresh rows: its hue speaks of few bits. */
export function zoneTone(zone: string, quantizes: boolean): Tone {
  if (/sink/i.test(zone)) return 'sinks';
  if (/heavy|outlier|kept|live|top/i.test(zone)) return 'heavy';
  if (/recent|residual|window|near|local/i.test(zone)) return 'recent';
  return quantizes && !/fresh/i.test(zone) ? 'body' : 'fresh';
}

/** Position in the ramp, 0 to 255, of a value between 0 and 1. */
export function rampIndex(value: number): number {
  return value > 0 ? Math.min(255, Math.round(value * 255)) : 0;
}

const veiledRamps = new WeakMap<Uint32Array, Uint32Array>();

/** The ramp under a veil of paper, at 45 % of its strength: amounts that a method did not look at. */
export function veiledRamp(theme: Theme): Uint32Array {
  const known = veiledRamps.get(theme.ramp);
  if (known) return known;
  const paper = rgb(theme.paper);
  const veiled = theme.ramp.map((word) => {
    const [r, g, b] = paper.map((from, i) => Math.round(from + (((word >> (8 * i)) & 255) - from) * 0.45)) as [
      number,
      number,
      number,
    ];
    return packed(r, g, b);
  });
  veiledRamps.set(theme.ramp, veiled);
  return veiled;
}

/** Text colour that can be read on a colour of the ramp: ink, paper or black, whichever stands out most. */
export function inkOnRamp(theme: Theme, index: number): string {
  const word = theme.ramp[index]!;
  return mostReadable(theme, [word & 255, (word >> 8) & 255, (word >> 16) & 255]);
}

/** Text colour that can be read on `#rrggbb`. */
export function inkOn(theme: Theme, hex: string): string {
  return mostReadable(theme, rgb(hex));
}

function mostReadable(theme: Theme, ground: readonly number[]): string {
  return [theme.ink, theme.paper, '#000000'].reduce((best, colour) =>
    contrast(rgb(colour), ground) > contrast(rgb(best), ground) ? colour : best,
  );
}

/** Contrast ratio of two colours as accessibility guidelines define it, 1 to 21. */
export function contrast(a: readonly number[], b: readonly number[]): number {
  const luminance = ([r, g, blue]: readonly number[]) => {
    const linear = (v: number) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r!) + 0.7152 * linear(g!) + 0.0722 * linear(blue!);
  };
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Red, green and blue of `#rrggbb`. */
export function rgb(hex: string): [number, number, number] {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** A colour as a little-endian RGBA word of image data. */
export function packed(r: number, g: number, b: number): number {
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** A colour of lower strength on paper: V beside the full tone of K. */
export function faded(theme: Theme, hex: string, strength: number): string {
  const [from, to] = [rgb(theme.paper), rgb(hex)];
  const [r, g, b] = from.map((v, i) => Math.round(v + (to[i]! - v) * strength));
  return `rgb(${r}, ${g}, ${b})`;
}

function themeName(paper: string, jupyterName: string): Theme['name'] {
  if (/contrast/i.test(jupyterName)) return 'contrast';
  if (/^#[0-9a-f]{6}$/i.test(paper)) {
    const [r, g, b] = rgb(paper);
    return r * 0.3 + g * 0.6 + b * 0.1 < 128 ? 'dark' : 'light';
  }
  return document.body.dataset.jpThemeLight === 'false' ? 'dark' : 'light';
}
