/** What `kubectl explain service.spec` says of each field. */
export const serviceSpecTexts = {
  ports: 'The ports on which the Service is reached.',
  selector: 'The labels of the pods behind the Service. Without one, somebody else writes its endpoints.',
  clusterIP:
    "The address inside the cluster, allocated if absent. `None` makes the Service headless: its name leads to the pods' own addresses.",
  clusterIPs: 'The addresses inside the cluster, at most one of each family; the first is `clusterIP`.',
  type: 'Who reaches the Service: ClusterIP the cluster, NodePort also whoever reaches a node, LoadBalancer also by an address from outside. ExternalName is an alias for another name.',
  externalIPs: 'More addresses at which nodes take traffic for the Service, if it is led to them.',
  sessionAffinity: '`ClientIP` sends a client to the same pod again.',
  sessionAffinityConfig: 'How long a client is sent to the same pod.',
  loadBalancerIP: 'The address that is asked for a Service of type LoadBalancer.',
  loadBalancerSourceRanges: 'Who may use the address of a Service of type LoadBalancer.',
  externalName: 'The name that a Service of type ExternalName is an alias for.',
  externalTrafficPolicy:
    '`Local` leads traffic from outside to pods of the same node only and keeps the source address.',
  internalTrafficPolicy: '`Local` leads traffic from pods to pods of the same node only.',
  healthCheckNodePort:
    'Where nodes say whether they have a pod of the Service, under externalTrafficPolicy Local.',
  publishNotReadyAddresses: 'Whether pods that are not ready count as if they were.',
  ipFamilies: 'IPv4, IPv6 or both, in the order of `clusterIPs`.',
  ipFamilyPolicy: 'Whether the Service has addresses of one family or of both.',
  allocateLoadBalancerNodePorts: 'Whether a Service of type LoadBalancer has node ports, too.',
  loadBalancerClass: 'Which implementation gives the address; if absent, the default one.',
  trafficDistribution: 'A preference for endpoints that are near.',
};
