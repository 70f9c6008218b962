import { hasChecksumOffload, setChecksumOffload } from '../../netns/checksum-offload.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import { getLink } from '../../netns/link.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { vxlanName } from '../network/marks.ts';
import { describeOffload } from './finding.ts';

/**
 * Keeps the vxlan device from leaving checksums to hardware that was found to spoil them. What it found is kept in the
 * kernel, by the device's own setting: the next run finds it there. Whoever switches it on again asks for a new look.
 */
export class OffloadGuard {
  #looked = false;
  #broken: { readonly node: string | undefined; readonly ifindex: number } | undefined;

  /** What is wrong and was done about it, if anything. */
  get reason(): string | undefined {
    return this.#broken && describeOffload(this.#broken.node);
  }

  /** A peer showed that it is broken. */
  switchOff(node: string): void {
    const ifindex = findVxlan();
    if (ifindex === undefined) return;
    setChecksumOffload(vxlanName, false);
    this.#broken = { node, ifindex };
  }

  /**
   * The device may have been made anew, or somebody has set it otherwise.
   * @returns whether the peers shall be asked again
   */
  keep(): boolean {
    if (this.#looked && !this.#broken) return false;
    const ifindex = findVxlan();
    if (ifindex === undefined) return false;
    const isOn = hasChecksumOffload(vxlanName);
    if (!this.#looked) {
      this.#looked = true;
      if (!isOn) this.#broken = { node: undefined, ifindex };
    }
    if (!this.#broken) return false;
    if (this.#broken.ifindex === ifindex) {
      if (isOn) this.#broken = undefined;
      return isOn;
    }
    if (isOn) setChecksumOffload(vxlanName, false);
    this.#broken = { ...this.#broken, ifindex };
    return false;
  }
}

function findVxlan(): number | undefined {
  using socket = new NetlinkSocket();
  try {
    return getLink(socket, vxlanName).ifindex;
  } catch (error) {
    if (isErrno(error, 'ENODEV')) return undefined;
    throw error;
  }
}
