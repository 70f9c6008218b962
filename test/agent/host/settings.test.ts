import t from 'tap';
import { hostSysctls, listWrongSettings, SettingsKeeper } from '../../../agent/host/settings.ts';
import type { SettingsDoor } from '../../../agent/host/settings.ts';

const forwarding = { name: 'net/ipv4/ip_forward', value: '1' };

/** A kernel with these settings; `refuses` as in a container whose /proc/sys is read-only. */
function fakeKernel(values: Record<string, string>, refuses = false): SettingsDoor {
  return {
    read: (name) => values[name],
    write({ name, value }) {
      if (refuses) throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
      values[name] = value;
    },
  };
}

t.test('what is as it shall be, or not in the kernel, is left alone', (t) => {
  const keeper = new SettingsKeeper(fakeKernel({ [forwarding.name]: '1' }));
  t.same(keeper.correct([forwarding, { name: 'net/bridge/bridge-nf-call-iptables', value: '0' }]), []);
  t.end();
});

t.test('what somebody changed is put right, and told', (t) => {
  const values = { [forwarding.name]: '0' };
  const keeper = new SettingsKeeper(fakeKernel(values));
  t.match(keeper.correct([forwarding]), [
    { state: 'mended', found: /net\.ipv4\.ip_forward was 0.*set to 1/ },
  ]);
  t.equal(values[forwarding.name], '1');
  t.same(keeper.correct([forwarding]), []);
  t.end();
});

t.test('a setting that somebody keeps changing is a trouble until it rests for ten minutes', (t) => {
  const values: Record<string, string> = {};
  let now = 0;
  const keeper = new SettingsKeeper(fakeKernel(values), () => now);
  const states = [1, 2, 3].map(() => {
    values[forwarding.name] = '0';
    now += 60_000;
    return keeper.correct([forwarding]).map(({ state }) => state);
  });
  t.same(states, [['mended'], ['mended'], ['trouble']]);
  t.match(keeper.correct([forwarding]), [{ state: 'trouble', remedy: /grep -rs ip_forward \/etc\/sysctl/ }]);
  now += 600_001;
  t.same(keeper.correct([forwarding]), []);
  t.end();
});

t.test('a setting that cannot be written is a trouble with its command', (t) => {
  const keeper = new SettingsKeeper(fakeKernel({ [forwarding.name]: '0' }, true));
  const [finding] = keeper.correct([forwarding]);
  t.match(finding, {
    state: 'trouble',
    found: /cannot be changed from here/,
    remedy: 'sysctl -w net.ipv4.ip_forward=1',
  });
  t.end();
});

t.test('looking only changes nothing', (t) => {
  const values = { 'net/ipv4/conf/eth0.5/forwarding': '0' };
  const found = listWrongSettings(hostSysctls('eth0.5', 'vxlan'), fakeKernel(values));
  t.match(found, [{ state: 'trouble', remedy: 'sysctl -w net.ipv4.conf.eth0/5.forwarding=1' }]);
  t.same(values, { 'net/ipv4/conf/eth0.5/forwarding': '0' });
  t.match(listWrongSettings(hostSysctls('eth0', 'vxlan'), fakeKernel({})), [{ state: 'well' }]);
  t.end();
});
