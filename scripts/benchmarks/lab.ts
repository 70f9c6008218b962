import { runLab } from '../run-lab.ts';
import type { Bench } from './result.ts';
import { median } from './statistics.ts';

const runs = 5;

function lab(...args: string[]): void {
  // A lab of its own name and port: one that a user has running is left alone.
  runLab('bench', ...args);
}

function measureSeconds(action: () => void): number {
  const startedAt = performance.now();
  action();
  return (performance.now() - startedAt) / 1000;
}

/** How long a user waits for a lab: from nothing, over one that runs, and until all is gone again. */
export const bench: Bench = {
  name: 'lab',
  run: () => {
    const measured = Array.from({ length: runs }, () => {
      lab('down');
      return {
        up: measureSeconds(() => lab('up', '--nodes', '3', '--api-port', '16443')),
        again: measureSeconds(() => lab('up')),
        down: measureSeconds(() => lab('down')),
      };
    });
    const seconds = (which: 'up' | 'again' | 'down'): number[] => measured.map((run) => run[which]);
    return Promise.resolve({
      name: 'lab',
      figures: [
        {
          name: 'up, 3 nodes Ready: worst',
          value: Math.max(...seconds('up')),
          unit: 's',
          aim: 10,
          note: `of ${runs} runs`,
        },
        { name: 'up, 3 nodes Ready: median', value: median(seconds('up')), unit: 's' },
        { name: 'up again: median', value: median(seconds('again')), unit: 's' },
        { name: 'down: median', value: median(seconds('down')), unit: 's' },
      ],
    });
  },
};
