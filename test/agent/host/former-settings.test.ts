import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { formerSettingsFile, notingSettings, restoreSettings } from '../../../agent/host/former-settings.ts';
import { SettingsKeeper } from '../../../agent/host/settings.ts';
import type { SettingsDoor } from '../../../agent/host/settings.ts';

const [notify, quiet] = ['net/ipv4/conf/eth0/arp_notify', 'net/ipv6/conf/eth0/router_solicitation_delay'];
const wanted = [
  { name: notify, value: '1' },
  { name: quiet, value: '0' },
];

function fakeKernel(values: Record<string, string>): SettingsDoor {
  return {
    read: (name) => values[name],
    write({ name, value }) {
      values[name] = value;
    },
  };
}

function fail(error: unknown): never {
  throw error;
}

t.test('what was there before comes back, over restarts of the agent', (t) => {
  const file = formerSettingsFile(t.testdir());
  const values: Record<string, string> = { [notify]: '0', [quiet]: '1' };
  const door = fakeKernel(values);
  for (let start = 0; start < 2; start += 1) {
    new SettingsKeeper(notingSettings(file, fail, door)).want(wanted);
    t.same(values, { [notify]: '1', [quiet]: '0' });
    // Somebody is in the way meanwhile: that is not what was there at first.
    values[quiet] = '7';
  }
  new SettingsKeeper(notingSettings(file, fail, door)).want(wanted);
  restoreSettings(file, door);
  t.same(values, { [notify]: '0', [quiet]: '1' });
  t.end();
});

t.test('what somebody changed after us, and what is gone, stays', (t) => {
  const file = formerSettingsFile(t.testdir());
  const values: Record<string, string> = { [notify]: '0', [quiet]: '1' };
  const door = fakeKernel(values);
  new SettingsKeeper(notingSettings(file, fail, door)).want(wanted);
  values[notify] = '2';
  Reflect.deleteProperty(values, quiet);
  restoreSettings(file, door);
  t.same(values, { [notify]: '2' });
  t.end();
});

t.test('forwarding stays, with what goes with it, and our own links are no matter', (t) => {
  const file = formerSettingsFile(t.testdir());
  const before = {
    'net/ipv4/ip_forward': '0',
    'net/ipv6/conf/all/forwarding': '0',
    'net/ipv6/conf/eth0/accept_ra': '1',
    'net/ipv4/conf/weft0/rp_filter': '0',
  };
  const values: Record<string, string> = { ...before };
  const door = fakeKernel(values);
  new SettingsKeeper(notingSettings(file, fail, door)).want(
    Object.keys(before).map((name) => ({ name, value: '2' })),
  );
  t.notOk(existsSync(file));
  restoreSettings(file, door);
  t.ok(Object.values(values).every((value) => value === '2'));
  t.end();
});

t.test('a disk that takes no notes keeps nobody from the setting', (t) => {
  const file = formerSettingsFile(t.testdir());
  mkdirSync(join(file, 'in the way'), { recursive: true });
  const values: Record<string, string> = { [notify]: '0' };
  const errors: unknown[] = [];
  const door = notingSettings(file, (error) => errors.push(error), fakeKernel(values));
  door.write({ name: notify, value: '1' });
  t.equal(values[notify], '1');
  t.match(errors, [{ code: 'EISDIR' }]);
  t.end();
});
