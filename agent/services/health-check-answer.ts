import type { Family } from '../../iptables/family.ts';
import type { HealthCheck } from '../../iptables/model.ts';

/** An HTTP response to a load balancer. */
export interface HealthCheckAnswer {
  readonly status: 200 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * What a load balancer is told about this node: 200 when it may send clients here. Fields and headers are kube-proxy's,
 * which load balancers know; the weight is how many clients the node can take compared with others.
 */
export function renderHealthCheckAnswer(
  service: string,
  { localEndpoints }: HealthCheck,
  family: Family,
  proxyHealthy: boolean,
): HealthCheckAnswer {
  const [namespace, name] = service.split('/');
  const count = localEndpoints[family];
  const body = {
    service: { namespace, name },
    localEndpoints: count,
    serviceProxyHealthy: proxyHealthy,
  };
  return {
    status: count > 0 && proxyHealthy ? 200 : 503,
    headers: {
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
      'x-load-balancing-endpoint-weight': String(count),
    },
    body: `${JSON.stringify(body, undefined, '\t')}\n`,
  };
}
