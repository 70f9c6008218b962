/** On an EndpointSlice: the name of its Service, which is in the same namespace (discovery.k8s.io/v1). */
export const serviceNameLabel = 'kubernetes.io/service-name';
