/** A text of any length without a repeated sentence, for methods that are judged on what they forget. */
const people = ['Ines', 'Oskar', 'Mara', 'Tariq', 'Wen', 'Lotte'];
const things = ['a lamp', 'three crates', 'the old rope', 'a blue kettle', 'two maps', 'the church bell', 'an oar'];

export const story: string = Array.from(
  { length: 400 },
  (_, i) =>
    `On day ${i + 1} ${people[(i * 7) % 6]} carried ${things[(i * 5) % 7]} past the house with number ${(i * 37) % 90}.`,
).join(' ');
