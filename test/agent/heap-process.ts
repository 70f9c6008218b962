/** A thread that gets itself the collector again and again, as several threads of an agent do when they start. */
import { HeapKeeper } from '../../agent/heap.ts';

for (let count = 0; count < 50; count += 1) new HeapKeeper();
