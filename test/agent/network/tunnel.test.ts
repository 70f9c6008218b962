import t from 'tap';
import { toClusterNode } from '../../../agent/network/cluster-node.ts';
import { parseTunnel, renderTunnel } from '../../../agent/network/tunnel.ts';

t.test('what a Node says of its vxlan device', (t) => {
  for (const tunnel of [
    { vni: 117, port: 8472 },
    { vni: 1, port: 1 },
    { vni: 16_777_215, port: 65_535 },
  ])
    t.same(parseTunnel(renderTunnel(tunnel)), tunnel);
  const strange = [
    undefined,
    '',
    '{}',
    '{"vni":117}',
    '{"vni":0,"port":8472}',
    '{"vni":16777216,"port":8472}',
    '{"vni":117,"port":65536}',
    '{"vni":"117","port":8472}',
  ];
  for (const text of strange) t.equal(parseTunnel(text), undefined, String(text));
  t.end();
});

t.test('a Node that says nothing understandable is as if it said nothing', (t) => {
  const nodeOf = (text: string) =>
    toClusterNode({ metadata: { name: 'node2', annotations: { 'weft/vxlan': text } } });
  t.match(nodeOf('{"vni":118,"port":9472}'), { tunnel: { vni: 118, port: 9472 } });
  t.notOk('tunnel' in nodeOf('118'));
  t.end();
});
