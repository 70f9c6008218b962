import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How often the heap is looked at. */
const checkMs = 5_000;
/** Less than this is not worth a pause. */
const minGarbageBytes = 16 * 2 ** 20;
/** At most this share of a core was busy since the last look: a pause of some 50 ms hurts nobody then. */
const idleShare = 0.02;

/** What a {@link HeapKeeper} needs of its thread; tests hand in their own. */
interface HeapDoors {
  /** Bytes of the heap in use, garbage included, and of buffers beside it. */
  readonly usedBytes: () => number;
  /** CPU time of the thread so far, in ms. */
  readonly cpuMs: () => number;
  readonly now: () => number;
  readonly collect: () => void;
}

/**
 * Gives memory back after work. V8 collects when there is more than last time, not when there is nothing to do: what a
 * full load of 10,000 Services leaves behind, a third of the agent's memory, would stay until the next one. Each thread has
 * a heap of its own, and a keeper.
 */
export class HeapKeeper {
  readonly #doors: HeapDoors;
  #timer: NodeJS.Timeout | undefined;
  #collectedBytes = 0;
  #cpuMs = 0;
  #checkedAt = -Infinity;

  constructor(doors: Partial<HeapDoors> = {}) {
    this.#doors = { ...processDoors(), ...doors };
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.check();
    }, checkMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Collects garbage when there may be much of it and the thread has had little to do since the last look. */
  check(): void {
    const { usedBytes, cpuMs, now, collect } = this.#doors;
    const [cpu, time] = [cpuMs(), now()];
    const isIdle = cpu - this.#cpuMs < (time - this.#checkedAt) * idleShare && this.#checkedAt !== -Infinity;
    [this.#cpuMs, this.#checkedAt] = [cpu, time];
    if (!isIdle || usedBytes() - this.#collectedBytes < minGarbageBytes) return;
    collect();
    this.#collectedBytes = usedBytes();
  }
}

function processDoors(): HeapDoors {
  return {
    usedBytes: () => {
      const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
      return heap + external;
    },
    cpuMs: () => {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1000;
    },
    now: () => performance.now(),
    collect: makeCollect(),
  };
}

/**
 * V8 gives its collector to scripts only by a flag, which new contexts notice. It stays set: flags are the whole
 * process's, and to take it back would take it from another thread that is just about to make its context.
 */
function makeCollect(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { type: 'major' }) => void;
  return () => {
    collect({ type: 'major' });
  };
}
