export interface HostsInput {
  readonly hostname: string;
  readonly subdomain?: string | undefined;
  readonly namespace: string;
  readonly zone: string;
  readonly ips: readonly string[];
  readonly aliases: readonly { readonly ip?: string; readonly hostnames?: readonly string[] }[];
}

/** A pod's /etc/hosts. Source: kubernetes pkg/kubelet/kubelet_pods.go managedHostsFileContent. */
export function renderHosts(input: HostsInput): string {
  const { hostname, subdomain, namespace, zone, ips } = input;
  const names = subdomain ? `${hostname}.${subdomain}.${namespace}.svc.${zone}\t${hostname}` : hostname;
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...ips.map((ip) => `${ip}\t${names}`),
  ];
  return `${lines.join('\n')}\n${renderAliases(input.aliases)}`;
}

/** The /etc/hosts of a pod in the node's own network: the node's, with the pod's aliases. */
export function renderNodeHosts(nodeHosts: string, aliases: HostsInput['aliases']): string {
  return `# Kubernetes-managed hosts file (host network).\n${nodeHosts}${renderAliases(aliases)}`;
}

function renderAliases(aliases: HostsInput['aliases']): string {
  if (aliases.length === 0) return '';
  const lines = aliases.map(({ ip = '', hostnames = [] }) => [ip, ...hostnames].join('\t'));
  return `\n# Entries added by HostAliases.\n${lines.join('\n')}\n`;
}
