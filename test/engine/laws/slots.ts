/** Changes to the memory of a layer that must not be seen from outside. */
import { type CacheLayer, parts } from '../../../kernel/src/engine/cache/layer.ts';
import { codeWidth } from '../../../kernel/src/engine/cache/store.ts';
import { seeded } from '../seeded.ts';

/** Puts the batches of every store in another order, values as keys where the layer wants them in the same slots. */
export function shuffleSlots(layer: CacheLayer, seed: number): void {
  for (const [p, part] of parts.entries())
    for (const [index, store] of layer.stores[part].entries()) {
      const { grain, codes } = store.encoding;
      layer.tables.forEach((table, h) => {
        // Heads that share rows have them in the same slots.
        const beside = layer.shape.aligned ? parts.map((each) => layer.stores[each][index]!) : [store];
        const own = beside.some(({ encoding }) => encoding.joint) ? 0 : h;
        const random = seeded(seed * 1000 + index * 10 + own + (layer.shape.aligned ? 0 : p * 100_000));
        const batches = store.capacity[h]! / grain;
        // `to[b]` is where batch b goes.
        const to = random.shuffled(Array.from({ length: batches }, (_, b) => b));
        const scatter = <A extends Float32Array | Int32Array | Uint8Array | Uint16Array>(
          view: A,
          width: number,
        ): void => {
          const old = view.slice();
          for (const [b, target] of to.entries())
            view.set(old.subarray(b * width, (b + 1) * width) as never, target * width);
        };
        for (const [name, code] of Object.entries(codes).filter(([, c]) => c.per !== 'store' && (h === 0 || !c.joint)))
          scatter(store.codes.get(name)![h]!, codeWidth(code, store.headSize) * (code.per === 'entry' ? grain : 1));
        scatter(store.entry[h]!, grain);
        if (part === 'keys') scatter(store.bias[h]!, grain);
        store.free[h] = store.free[h]!.map((slot) => to[slot / grain]! * grain);
        store.entry[h]!.forEach((entry, slot) => {
          if (entry >= 0) table.slot[part][entry] = slot;
        });
      });
    }
}

/** Writes large numbers into every slot that is free. */
export function fillEmptySlots(layer: CacheLayer): void {
  for (const part of parts)
    for (const store of layer.stores[part]) {
      const { grain, codes } = store.encoding;
      store.free.forEach((free, h) => {
        for (const [name, code] of Object.entries(codes).filter(([, { per }]) => per !== 'store')) {
          const width = codeWidth(code, store.headSize) * (code.per === 'entry' ? grain : 1);
          const view = store.codes.get(name)![h]!;
          const large = { f32: 1000, half: 0x63d0, u8: 201 }[code.type];
          for (const slot of free) view.fill(large as never, (slot / grain) * width, (slot / grain + 1) * width);
        }
      });
    }
}
