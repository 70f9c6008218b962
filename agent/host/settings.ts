import { isErrno } from '../../netns/kernel-error.ts';
import type { Sysctl } from '../../netns/sysctl.ts';
import { readSysctl, writeSysctl } from '../../netns/sysctl.ts';
import { looseSysctls, nodeSysctls, strictLinks } from '../network/host-settings.ts';
import { bridgeName, vxlanName } from '../network/marks.ts';
import type { NetworkMode } from '../network/view.ts';
import type { Finding } from './finding.ts';

/** How the settings are read and written; tests hand in their own. */
export interface SettingsDoor {
  read(name: string): string | undefined;
  /** @throws Error EROFS, EACCES */
  write(setting: Sysctl): void;
}

const kernelSettings: SettingsDoor = { read: readSysctl, write: writeSysctl };

/** So many corrections of one setting within this time are a quarrel. */
const quarrel = { times: 3, withinMs: 600_000 } as const;

/** The kernel's settings on which forwarding depends, of the host and of the links that pods' packets pass. */
export function hostSysctls(underlay: string, mode: NetworkMode): Sysctl[] {
  // A host's own switch is a default only: each link has one that decides (IN_DEV_FORWARD).
  const perLink = [bridgeName, vxlanName, underlay].map((link) => ({
    name: `net/ipv4/conf/${link}/forwarding`,
    value: '1',
  }));
  const loose = looseSysctls({ mode, underlay: { strictLinks: strictLinks([underlay]) } });
  return [...nodeSysctls({ name: underlay, acceptsRouters: false }), ...loose, ...perLink];
}

/** Keeps settings that others change as they shall be, and notices when somebody keeps changing them. */
export class SettingsKeeper {
  readonly #door: SettingsDoor;
  readonly #now: () => number;
  /** When each setting was put right. */
  readonly #corrections = new Map<string, number[]>();

  constructor(door: SettingsDoor = kernelSettings, now: () => number = () => performance.now()) {
    this.#door = door;
    this.#now = now;
  }

  /** Puts right what differs. What the kernel does not have (IPv6, br_netfilter, a link) needs no setting. */
  correct(wanted: readonly Sysctl[]): Finding[] {
    return wanted.flatMap((setting) => {
      const value = this.#door.read(setting.name);
      const wrong = value !== undefined && value !== setting.value;
      if (wrong) return this.#correct(setting, value);
      return this.#isQuarrel(setting.name) ? [describeQuarrel(setting)] : [];
    });
  }

  #correct(setting: Sysctl, value: string): Finding {
    try {
      this.#door.write(setting);
    } catch (error) {
      if (!isErrno(error, 'EROFS', 'EACCES', 'EPERM')) throw error;
      return describeWrong(setting, value, ' and cannot be changed from here');
    }
    this.#corrections.set(setting.name, [...(this.#corrections.get(setting.name) ?? []), this.#now()]);
    if (this.#isQuarrel(setting.name)) return describeQuarrel(setting);
    const found = `the kernel setting ${dotted(setting)} was ${value}, with which pods' packets are lost; set to ${setting.value}`;
    return { check: 'sysctl', state: 'mended', found };
  }

  #isQuarrel(name: string): boolean {
    const since = this.#now() - quarrel.withinMs;
    const recent = (this.#corrections.get(name) ?? []).filter((time) => time > since);
    if (recent.length > 0) this.#corrections.set(name, recent);
    else this.#corrections.delete(name);
    return recent.length >= quarrel.times;
  }
}

/** What differs, without changing it. */
export function listWrongSettings(wanted: readonly Sysctl[], door: SettingsDoor = kernelSettings): Finding[] {
  const wrong = wanted.flatMap((setting) => {
    const value = door.read(setting.name);
    return value === undefined || value === setting.value ? [] : [describeWrong(setting, value, '')];
  });
  if (wrong.length > 0) return wrong;
  return [
    { check: 'sysctl', state: 'well', found: `forwarding is on, and pods' packets pass no filter of routes` },
  ];
}

function describeWrong(setting: Sysctl, value: string, note: string): Finding {
  return {
    check: 'sysctl',
    state: 'trouble',
    found: `the kernel setting ${dotted(setting)} is ${value} instead of ${setting.value}${note}: pods' packets are lost`,
    remedy: `sysctl -w ${dotted(setting)}=${setting.value}`,
  };
}

function describeQuarrel(setting: Sysctl): Finding {
  const name = dotted(setting);
  return {
    check: 'sysctl',
    state: 'trouble',
    found: `somebody keeps changing the kernel setting ${name}; weft puts it back to ${setting.value} each time`,
    remedy: `find out who does it: grep -rs ${name.split('.').at(-1) ?? ''} /etc/sysctl.conf /etc/sysctl.d /run/sysctl.d /usr/lib/sysctl.d`,
  };
}

/** As sysctl(8) writes it; dots in a link's name are slashes there. */
function dotted({ name }: Sysctl): string {
  return name.replaceAll(/[./]/g, (each) => (each === '/' ? '.' : '/'));
}
