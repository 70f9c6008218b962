import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Registry } from 'prom-client';
import { isErrno } from '../../netns/kernel-error.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { AgentError } from '../agent-error.ts';
import { createLog } from '../log.ts';
import { removeRetiredLinks } from '../network/pod-link.ts';
import { PodNetwork } from '../network/pod-network.ts';
import { acquireLock, isHeld } from '../node/lock.ts';
import { decodeOutcome, encodeOrder } from './order-message.ts';
import { releaseLease } from './release.ts';
import type { Released, ReleaseOrder } from './release.ts';

interface NodePlace {
  readonly nodeName: string;
  readonly stateDir: string;
  readonly runDir: string;
}

/**
 * Frees one lease: by the running agent, and where none runs by ourselves, in its place (under its lock). So the leases
 * file has one writer at any time.
 * @throws AgentError `no-lease`, `in-use`, `no-answer`
 */
export async function orderRelease(place: NodePlace, order: ReleaseOrder): Promise<Released> {
  const lock = acquireLock(join(place.runDir, 'agent.lock'));
  if (!isHeld(lock)) return decodeOutcome(await askAgent(join(place.runDir, 'cni.sock'), order));
  try {
    return await releaseHere(place, order);
  } finally {
    lock.release();
  }
}

async function releaseHere({ nodeName, stateDir }: NodePlace, order: ReleaseOrder): Promise<Released> {
  const log = createLog('error', 'ipam');
  const network = new PodNetwork({ nodeName, config: { stateDir }, metrics: new Registry(), log });
  const released = await releaseLease(
    { attachments: () => network.attachments(), remove: ({ id }) => network.detach(id) },
    order,
  );
  using socket = new NetlinkSocket();
  removeRetiredLinks(socket);
  return released;
}

async function askAgent(path: string, order: ReleaseOrder): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true });
  try {
    socket.end(encodeOrder(order));
    return await text(socket);
  } catch (error) {
    if (!isErrno(error, 'ECONNREFUSED', 'ENOENT')) throw error;
    const message = 'the agent does not listen yet';
    throw new AgentError('no-answer', message, 'try again in a moment', error);
  } finally {
    socket.destroy();
  }
}
