/** The arrows between folders (ARCHITECTURE.md, "Layout"). Each rule names what a folder must not reach. */
const ours = '^(agent|api|cni|netns|iptables|dns|rig|scripts|test)/';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'netns-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^netns/' },
      to: { path: ours, pathNot: '^netns/' },
    },
    {
      name: 'koffi-only-in-netns',
      // The soak's wrapper round the kernel door has to get between the two.
      severity: 'error',
      from: { pathNot: ['^netns/', '^scripts/soaks/cni-faults-process[.]ts$'] },
      to: { path: 'node_modules/koffi' },
    },
    {
      name: 'cni-imports-netns-only',
      severity: 'error',
      from: { path: '^cni/' },
      to: { path: ours, pathNot: '^(cni|netns)/' },
    },
    {
      name: 'iptables-imports-netns-and-kinds',
      severity: 'error',
      from: { path: '^iptables/' },
      to: { path: ours, pathNot: '^(iptables|netns|api/kinds)/' },
    },
    {
      name: 'iptables-takes-types-of-kinds',
      severity: 'error',
      from: { path: '^iptables/' },
      to: { path: '^api/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'dns-imports-kinds',
      severity: 'error',
      from: { path: '^dns/' },
      to: { path: ours, pathNot: '^(dns|api/kinds)/' },
    },
    {
      name: 'dns-takes-types-of-kinds',
      severity: 'error',
      from: { path: '^dns/' },
      to: { path: '^api/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'api-stands-alone',
      severity: 'error',
      from: { path: '^api/' },
      to: { path: ours, pathNot: '^api/' },
    },
    {
      name: 'kinds-know-no-server',
      severity: 'error',
      from: { path: '^api/(kinds|client)/' },
      to: { path: '^api/(server|store|controllers)/' },
    },
    {
      name: 'controllers-know-no-server',
      severity: 'error',
      from: { path: '^api/controllers/' },
      to: { path: '^api/(server|store)/' },
    },
    {
      name: 'the-product-imports-nothing-that-judges-it',
      severity: 'error',
      from: { path: '^(agent|api|cni|netns|iptables|dns)/' },
      to: { path: '^(rig|scripts|test)/' },
    },
    {
      name: 'rig-serves-scripts-and-tests-and-knows-neither',
      severity: 'error',
      from: { path: '^rig/' },
      to: { path: '^(scripts|test)/' },
    },
    {
      name: 'scripts-import-no-tests',
      severity: 'error',
      from: { path: '^scripts/' },
      to: { path: '^test/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
