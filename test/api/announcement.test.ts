import t from 'tap';
import {
  addressLeaseName,
  addressOfLease,
  announcerLeaseName,
  announcerOfLease,
} from '../../api/announcement.ts';

for (const [address, name] of [
  ['192.0.2.16', 'weft-address-192.0.2.16'],
  ['2001:db8::10', 'weft-address-2001-db8-0-0-0-0-0-10'],
  ['fd00::', 'weft-address-fd00-0-0-0-0-0-0-0'],
  ['::ffff', 'weft-address-0-0-0-0-0-0-0-ffff'],
] as const) {
  t.equal(addressLeaseName(address), name);
  t.equal(addressOfLease(name), address);
}
for (const name of [
  'weft-address-',
  'weft-address-192.0.2.016',
  'weft-address-192.0.2',
  'weft-address-2001-db8--10',
  'weft-address-2001-db8-0-0-0-0-0-010',
  'weft-announcer-192.0.2.16',
  'node1',
]) {
  t.equal(addressOfLease(name), undefined, name);
}
t.equal(announcerOfLease(announcerLeaseName('node1.example')), 'node1.example');
t.equal(announcerOfLease('weft-address-192.0.2.16'), undefined);
