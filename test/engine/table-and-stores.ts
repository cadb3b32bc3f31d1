/** What must hold between the table of entries and the stores of a layer after every change. */
import assert from 'node:assert/strict';
import { type CacheLayer, parts } from '../../kernel/src/engine/cache/layer.ts';
import { hidden } from '../../kernel/src/engine/cache/store.ts';

/** Throws where an entry and its slot disagree, where two entries share a slot, or where slots are lost. */
export function checkTableAndStores(layer: CacheLayer): void {
  const { shape, tables, stores } = layer;
  tables.forEach((table, h) => {
    const capacity = table.position.length;
    const files = layer.pages.flatMap(({ heads }) => [...heads[h]!.file.values()]);
    const inFile = new Set(files.flatMap(({ position }) => [...position]));
    assert.ok(table.count <= capacity);
    assert.equal(new Set(table.position.subarray(0, table.count)).size, table.count, 'a position is held twice');
    for (const column of [table.weight, ...table.columns.values()]) assert.equal(column.length, capacity);
    for (const part of parts) {
      const taken = new Set<string>();
      for (let e = 0; e < table.count; e++) {
        const [zone, index, slot] = [table.zone[part][e]!, table.store[part][e]!, table.slot[part][e]!];
        assert.equal(index, shape.storeOf[part][zone], `${part} of entry ${e} lie in another store than their zone's`);
        const store = stores[part][index]!;
        if (inFile.has(table.position[e]!)) {
          assert.equal(slot, -1, `${part} of entry ${e} lie in a file and in a slot`);
          taken.add(`file:${e}`);
          continue;
        }
        assert.ok(slot < store.capacity[h]!, `${part} of entry ${e}: slot ${slot} of ${store.capacity[h]}`);
        assert.equal(store.entry[h]![slot], e, `the slot of entry ${e} does not point back`);
        if (part === 'keys') assert.equal(store.bias[h]![slot], Math.fround(Math.log(table.weight[e]!)));
        taken.add(`${index}:${slot}`);
      }
      assert.equal(taken.size, table.count, `two entries share a slot of ${part}`);
      for (const store of stores[part]) {
        const { grain } = store.encoding;
        const entries = store.entry[h]!;
        assert.equal(entries.length, store.capacity[h]);
        assert.equal(store.free[h]!.length * grain + store.used[h]!, store.capacity[h], 'slots are lost');
        const free = new Set(store.free[h]!);
        assert.equal(free.size, store.free[h]!.length, 'a slot is free twice');
        for (let slot = 0; slot < entries.length; slot++) {
          const batch = slot - (slot % grain);
          if (free.has(batch)) assert.equal(entries[slot], -1, `slot ${slot} is free and in use`);
          if (entries[slot] === -1 && part === 'keys') assert.equal(store.bias[h]![slot], Math.fround(hidden));
          if (slot === batch && !free.has(batch))
            assert.ok(
              entries.subarray(batch, batch + grain).some((e) => e >= 0),
              `batch at ${batch} is neither free nor in use`,
            );
        }
      }
    }
    if (shape.aligned)
      for (let e = 0; e < table.count; e++) assert.equal(table.slot.keys[e], table.slot.values[e], 'parts lie apart');
  });
}
