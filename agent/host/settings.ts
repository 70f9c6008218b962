import type { Link } from '../../netns/link.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import type { Sysctl } from '../../netns/sysctl.ts';
import { readSysctl, writeSysctl } from '../../netns/sysctl.ts';
import { looseSysctls, strictLinks } from '../network/host-settings.ts';
import type { NetworkMode } from '../network/view.ts';
import type { Finding } from './finding.ts';

/** How the settings are read and written; tests hand in their own. */
export interface SettingsDoor {
  read(name: string): string | undefined;
  /** @throws Error EROFS, EACCES */
  write(setting: Sysctl): void;
}

export const kernelSettings: SettingsDoor = { read: readSysctl, write: writeSysctl };

/** So many corrections of one setting within this time are a quarrel. */
const quarrel = { times: 3, withinMs: 600_000 } as const;

/**
 * Of each link that pods' packets are routed by, that it forwards: a host's own switch is a default only, each link has
 * one that decides (IN_DEV_FORWARD). Ports of a bridge route nothing. Of the underlay also that it takes packets that come
 * straight.
 */
export function routingSysctls(
  underlay: string | undefined,
  ours: readonly Pick<Link, 'name' | 'master'>[],
  mode: NetworkMode,
): Sysctl[] {
  const own = ours.filter(({ master }) => master === 0).map(({ name }) => name);
  const below = underlay === undefined ? [] : [underlay];
  const forwarding = [...own, ...below].map((link) => ({
    name: `net/ipv4/conf/${link}/forwarding`,
    value: '1',
  }));
  return [...forwarding, ...looseSysctls({ mode, underlay: { strictLinks: strictLinks(below) } })];
}

/** The one who writes the host's settings. Keeps them as they shall be, and notices when somebody keeps changing them. */
export class SettingsKeeper {
  readonly #door: SettingsDoor;
  readonly #now: () => number;
  #wanted: readonly Sysctl[] = [];
  /** What was put right since the last look. */
  #mended: Finding[] = [];
  /** When each setting was put right. */
  readonly #corrections = new Map<string, number[]>();
  /** Settings that were as they shall be: who finds them otherwise afterwards finds somebody's doing. */
  readonly #settled = new Set<string>();

  constructor(door: SettingsDoor = kernelSettings, now: () => number = () => performance.now()) {
    this.#door = door;
    this.#now = now;
  }

  /** Makes settings so at once, and keeps them so from now on; what it was told before is forgotten. */
  want(settings: readonly Sysctl[]): void {
    this.#wanted = settings;
    this.#mended.push(...this.#correctAll(settings).filter(({ state }) => state === 'mended'));
  }

  /**
   * Puts right what differs of all that is wanted and of `more`, and tells of it and of what was put right meanwhile. What
   * the kernel does not have (IPv6, br_netfilter, a link) needs no setting.
   */
  look(more: readonly Sysctl[]): Finding[] {
    const findings = [...this.#mended, ...this.#correctAll([...this.#wanted, ...more])];
    this.#mended = [];
    return findings;
  }

  #correctAll(settings: readonly Sysctl[]): Finding[] {
    return settings.flatMap((setting) => {
      const { name } = setting;
      const value = this.#door.read(name);
      // A link that comes back starts anew.
      if (value === undefined) this.#settled.delete(name);
      else if (value !== setting.value) return this.#correct(setting, value);
      else this.#settled.add(name);
      return this.#isQuarrel(name) ? [describeQuarrel(setting)] : [];
    });
  }

  #correct(setting: Sysctl, value: string): Finding[] {
    try {
      this.#door.write(setting);
    } catch (error) {
      if (!isErrno(error, 'EROFS', 'EACCES', 'EPERM')) throw error;
      return [describeWrong(setting, value, ' and cannot be changed from here')];
    }
    const isFirst = !this.#settled.has(setting.name);
    this.#settled.add(setting.name);
    if (isFirst && !isStopping(setting)) return [];
    this.#corrections.set(setting.name, [...(this.#corrections.get(setting.name) ?? []), this.#now()]);
    if (this.#isQuarrel(setting.name)) return [describeQuarrel(setting)];
    const found = `the kernel setting ${dotted(setting)} was ${value}; set to ${setting.value}, as pods' packets need it`;
    return [{ check: 'sysctl', state: 'mended', found }];
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

/**
 * Whether a host that comes with another value stops packets, so that it is told at first sight. The defaults of our own
 * links are nobody's doing, and the rest is what nobody else needs.
 */
function isStopping({ name }: Sysctl): boolean {
  return /(forward|forwarding|rp_filter)$|^net\/bridge\//.test(name) && !name.includes('/conf/weft');
}

/** As sysctl(8) writes it; dots in a link's name are slashes there. */
function dotted({ name }: Sysctl): string {
  return name.replaceAll(/[./]/g, (each) => (each === '/' ? '.' : '/'));
}
