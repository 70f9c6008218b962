import type { CniCall, CniEnvironment, CniVerb } from '../../cni/call.ts';
import { parseEnvironment } from '../../cni/call.ts';
import { CniError, cniCodes, renderError } from '../../cni/cni-error.ts';
import { parseNetworkConfig, versionOf } from '../../cni/network-config.ts';
import type { NetworkConfig } from '../../cni/network-config.ts';
import { renderResult } from '../../cni/result.ts';
import type { CniVersion } from '../../cni/versions.ts';
import { currentVersion, isAtLeast, renderVersions } from '../../cni/versions.ts';
import type { CallAnswer } from './call-server.ts';
import { toCniError } from './errors.ts';
import type { CniVerbs } from './verbs.ts';

/** Since which version of the specification a configuration may be used for a verb. */
const since: Partial<Record<CniVerb, CniVersion>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' };

/**
 * What the plugin prints for a call, and its exit code: the protocol of the CNI specification around its verbs.
 * @param onError called with what went wrong beside telling it
 */
export async function answerCall(
  verbs: CniVerbs,
  { variables, config }: CniCall,
  onError: (error: CniError) => void,
): Promise<CallAnswer> {
  try {
    const environment = parseEnvironment(variables);
    if (environment.verb === 'VERSION')
      return { exitCode: 0, text: renderVersions(versionOf(config, currentVersion)) };
    const network = parseNetworkConfig(config, environment.args);
    const first = since[environment.verb];
    if (first !== undefined && !isAtLeast(network.version, first)) {
      const message = `${environment.verb} needs cniVersion ${first} or later, not ${network.version}`;
      throw new CniError(cniCodes.incompatibleVersion, message);
    }
    return await perform(verbs, environment, network);
  } catch (error) {
    const told = toCniError(error);
    onError(told);
    return { exitCode: 1, text: renderError(told, versionOf(config, currentVersion)) };
  }
}

async function perform(
  verbs: CniVerbs,
  environment: CniEnvironment,
  config: NetworkConfig,
): Promise<CallAnswer> {
  const { containerId, ifname } = environment;
  const done = { exitCode: 0, text: '' };
  switch (environment.verb) {
    case 'ADD': {
      const result = await verbs.add(environment, config);
      // A plugin that was killed meanwhile told nobody: for the runtime this ADD failed.
      const onLost = (): Promise<void> => verbs.del(containerId, ifname);
      return { exitCode: 0, text: renderResult(result, config.version), onLost };
    }
    case 'DEL':
      await verbs.del(containerId, ifname);
      return done;
    case 'CHECK':
      await verbs.check(environment, config);
      return done;
    case 'GC':
      await verbs.gc(config);
      return done;
    case 'STATUS':
      verbs.status();
      return done;
    case 'VERSION':
      return done;
  }
}
