/**
 * What GET /version says. Clients branch on the minor version: it is that of the Kubernetes API we follow.
 */
export const version = {
  major: '1',
  minor: '32',
  gitVersion: 'v1.32.0+weft',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
} as const;
