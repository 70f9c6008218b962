import t from 'tap';
import { restartUnderLoad } from '../../scripts/soaks/dns-restart.ts';
import { skipUnlessRoot } from '../root.ts';

if (skipUnlessRoot(t)) {
  t.test(
    'an agent restarts three times under queries and changes: none is lost, none is wrong',
    async (t) => {
      const report = await restartUnderLoad({
        lab: 'restart',
        queriesPerSecond: 2000,
        changes: 60,
        changesPerSecond: 20,
        endings: ['SIGUSR2', 'SIGUSR2', 'SIGUSR2'],
        pauseMs: 300,
      });
      t.comment(JSON.stringify(report));
      t.equal(report.lost, 0, `of ${report.asked} queries`);
      t.same(report.examples, [], 'no answer was wrong');
      t.equal(report.stale, 0, 'and every name is answered as it was left');
      t.equal(report.tcpAnswered, report.tcpAsked, 'over TCP, too');
      t.ok(report.asked > 0 && report.tcpAsked > 0 && report.changes >= 60, 'that was asked');
    },
  );

  t.test('after a crash the queries that waited are answered by the next agent', async (t) => {
    const report = await restartUnderLoad({
      lab: 'restart',
      queriesPerSecond: 1000,
      changes: 20,
      changesPerSecond: 20,
      endings: ['SIGKILL'],
      pauseMs: 300,
    });
    t.comment(JSON.stringify(report));
    // What the dead process had taken and not answered is lost: one batch of each of its two sockets.
    t.ok(report.lost <= 128, `${report.lost} of ${report.asked} lost`);
    t.same(report.examples, [], 'no answer was wrong');
    t.equal(report.stale, 0);
  });

  t.test('a lab that starts an agent anew hands its sockets on', async (t) => {
    const report = await restartUnderLoad({
      lab: 'restart',
      queriesPerSecond: 1000,
      changes: 20,
      changesPerSecond: 20,
      endings: ['lab up'],
      pauseMs: 300,
    });
    t.comment(JSON.stringify(report));
    t.equal(report.lost, 0, `of ${report.asked} queries`);
    t.same(report.examples, [], 'no answer was wrong');
    t.equal(report.stale, 0);
  });
}
