import { PodError } from './pod-error.ts';

/** Who a container's process is. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

export interface UserInput {
  /** The image's own `user`, if it has one. */
  readonly imageUser: string | undefined;
  readonly runAsUser: number | undefined;
  readonly runAsGroup: number | undefined;
  readonly runAsNonRoot: boolean;
  readonly supplementalGroups: readonly number[];
  /** Of the image's root; empty when it has none. */
  readonly passwd: string;
  readonly group: string;
}

/**
 * Who a container runs as: the pod's runAsUser, else the image's user, else root. The group is that of passwd(5),
 * and its other groups those of group(5). Throws PodError UserNotFound.
 */
export function resolveUser(input: UserInput, container: string): ProcessUser {
  const [imageUser = '', imageGroup] = (input.imageUser ?? '').split(':', 2);
  const wanted = input.runAsUser === undefined ? imageUser : String(input.runAsUser);
  const accounts = parseColons(input.passwd);
  const account = accounts.find(([name, , uid]) => wanted !== '' && (name === wanted || uid === wanted));
  const uid = wanted === '' ? 0 : Number(account?.[2] ?? wanted);
  if (!Number.isInteger(uid)) {
    throw new PodError(
      'UserNotFound',
      container,
      `unable to find user ${wanted}: no matching entry in passwd file`,
    );
  }
  if (input.runAsNonRoot && uid === 0) {
    throw new PodError('UserNotFound', container, 'container has runAsNonRoot and image will run as root');
  }
  const groups = parseColons(input.group);
  const named = input.runAsUser === undefined ? imageGroup : undefined;
  const gid = input.runAsGroup ?? groupId(groups, named, container) ?? Number(account?.[3] ?? 0);
  const memberships = groups
    .filter(([, , , members = '']) => account !== undefined && members.split(',').includes(account[0] ?? ''))
    .map(([, , id]) => Number(id));
  const others = new Set([...memberships, ...input.supplementalGroups]);
  others.delete(gid);
  return { uid, gid, additionalGids: [...others] };
}

function groupId(groups: string[][], wanted: string | undefined, container: string): number | undefined {
  if (wanted === undefined) return undefined;
  const gid = Number(groups.find(([name, , id]) => name === wanted || id === wanted)?.[2] ?? wanted);
  if (Number.isInteger(gid)) return gid;
  throw new PodError(
    'UserNotFound',
    container,
    `unable to find group ${wanted}: no matching entry in group file`,
  );
}

function parseColons(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.includes(':'))
    .map((line) => line.split(':'));
}
