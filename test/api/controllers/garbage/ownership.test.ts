import t from 'tap';
import { decideOwnership, isWaitingFor } from '../../../../api/controllers/garbage/ownership.ts';
import type { OwnerState } from '../../../../api/controllers/garbage/ownership.ts';
import type { KubeObject } from '../../../../api/kinds/meta.ts';

function owned(states: readonly OwnerState[], more: Partial<KubeObject['metadata']> = {}): KubeObject {
  const ownerReferences = states.map((state, index) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    name: state,
    uid: String(index),
  }));
  return { metadata: { name: 'x', ownerReferences, ...more } };
}

const decide = (object: KubeObject, hasDependents = false) =>
  decideOwnership(object, (owner) => owner.name as OwnerState, hasDependents);

t.test('what becomes of an object, by its owners', (t) => {
  t.same(decide(owned([])), { action: 'keep' });
  t.same(decide(owned(['solid'])), { action: 'keep' });
  t.same(decide(owned(['dangling'])), { action: 'delete', propagationPolicy: 'Background' });
  t.same(decide(owned(['dangling', 'dangling'])), { action: 'delete', propagationPolicy: 'Background' });
  t.same(decide(owned(['solid', 'dangling', 'waiting'])), { action: 'unlink', uids: ['1', '2'] });
  t.same(decide(owned(['waiting'])), { action: 'delete', propagationPolicy: 'Background' });
  t.same(decide(owned(['waiting']), true), { action: 'delete', propagationPolicy: 'Foreground' });
  t.same(decide(owned(['dangling'], { finalizers: ['orphan'] })), {
    action: 'delete',
    propagationPolicy: 'Orphan',
  });
  t.same(
    decide(owned(['dangling'], { deletionTimestamp: 'now' })),
    { action: 'keep' },
    'is on its way already',
  );
  t.end();
});

t.test('what waits for a finalizer', (t) => {
  t.equal(isWaitingFor({ metadata: { name: 'x', finalizers: ['orphan'] } }, 'orphan'), false);
  t.equal(
    isWaitingFor({ metadata: { name: 'x', finalizers: ['orphan'], deletionTimestamp: 'now' } }, 'orphan'),
    true,
  );
  t.equal(isWaitingFor({ metadata: { name: 'x', deletionTimestamp: 'now' } }, 'orphan'), false);
  t.end();
});
