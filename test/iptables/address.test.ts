import t from 'tap';
import { CidrSet, normalizeAddress } from '../../iptables/address.ts';

t.test('addresses as the kernel prints them', (t) => {
  for (const text of ['10.0.0.1', '0.0.0.0', '255.255.255.255', '192.0.2.10', 'fd00::1'])
    t.equal(normalizeAddress(text), text);
  t.equal(normalizeAddress('FD00:0::1'), 'fd00::1');
  const none = [
    '',
    '10.0.0',
    '10.0.0.1.',
    '10.0.0.256',
    '10.0.0.01',
    ' 10.0.0.1',
    '10.0.0.1\n',
    '1.2.3.4.5',
    'a',
  ];
  for (const text of [...none, 'fe80::1%eth0', '10.0.0.1/32'])
    t.equal(normalizeAddress(text), undefined, JSON.stringify(text));
  t.end();
});

t.test('whether an address lies in one of several ranges', (t) => {
  const set = new CidrSet(['10.244.0.0/16', '192.0.2.7/32', 'fd00:10:244::/56']);
  for (const address of ['10.244.0.0', '10.244.255.255', '192.0.2.7', 'fd00:10:244:ff::1'])
    t.ok(set.contains(address), address);
  for (const address of ['10.245.0.0', '10.243.255.255', '192.0.2.6', 'fd00:10:244:100::1', '::'])
    t.notOk(set.contains(address), address);
  t.ok(new CidrSet(['0.0.0.0/0']).contains('255.1.2.3'));
  t.notOk(new CidrSet(['0.0.0.0/0']).contains('::1'));
  t.ok(new CidrSet(['128.0.0.0/1']).contains('200.1.2.3'));
  t.notOk(new CidrSet([]).contains('10.0.0.1'));
  t.notOk(new CidrSet([]).contains('::1'));
  t.end();
});
