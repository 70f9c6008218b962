import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../api/kinds/service.ts';
import { makeService, makeSlice } from './api-data.ts';

/** The cluster the benchmark pretends: pods, and so the endpoints below, have addresses of its one range. */
export const cluster = {
  clusterCIDRs: ['10.128.0.0/9'],
  serviceCIDRs: ['10.96.0.0/16'],
};

export const servicePort = 80;
export const endpointPort = 8080;
const endpointsEach = 5;

/** All endpoints are in here, far from the ranges that nodes get. */
export const endpointRange = '10.168.0.0/13';
const firstSlice = (40 << 16) / endpointsEach;

/** Where the Service is reached; 10.96.0.x stays free for the cluster's own. */
export function clusterIP(service: number): string {
  return `10.96.${(service >> 8) + 1}.${service & 255}`;
}

/** The Service's only slice has five endpoints on as many nodes of a hundred: node-0 … node-99. */
export function sliceOf(service: number): EndpointSlice {
  const name = nameOf(service);
  return makeSlice(`${name}-0`, name, 'bench', firstSlice + service);
}

/** Addresses of the Service's endpoints; all listen on {@link endpointPort}. */
export function endpointAddresses(service: number): string[] {
  return sliceOf(service).endpoints.flatMap(({ addresses }) => addresses);
}

export function serviceOf(service: number): Service {
  const made = makeService(nameOf(service), 'bench');
  const address = clusterIP(service);
  return { ...made, spec: { ...made.spec, clusterIP: address, clusterIPs: [address] } };
}

export function nameOf(service: number): string {
  return `bench-${service}`;
}
