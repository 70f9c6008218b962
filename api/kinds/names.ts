/** Formats of names, as apimachinery's util/validation has them. Each check returns what is wrong, or undefined. */

interface Format {
  readonly pattern: RegExp;
  /** What is wrong with what does not match, in apimachinery's words. */
  readonly mistake: string;
}

function format(pattern: string, mistake: string, ...examples: readonly string[]): Format {
  const list = examples.map((example) => `'${example}', `).join(' or ');
  return {
    pattern: new RegExp(`^(${pattern})$`),
    mistake: `${mistake} (e.g. ${list}regex used for validation is '${pattern}')`,
  };
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const ends = 'and must start and end with an alphanumeric character';
const label1123 = format(
  LABEL,
  `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', ${ends}`,
  'my-name',
  '123-abc',
);
const subdomain1123 = format(
  `${LABEL}(\\.${LABEL})*`,
  `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', ${ends}`,
  'example.com',
);
const label1035 = format(
  '[a-z]([-a-z0-9]*[a-z0-9])?',
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, " +
    'and end with an alphanumeric character',
  'my-name',
  'abc-123',
);
const qualifiedPart = format(
  '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]',
  `name part must consist of alphanumeric characters, '-', '_' or '.', ${ends}`,
  'MyName',
  'my.name',
  '123-abc',
);
const labelValue = format(
  '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?',
  `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', ${ends}`,
  'MyValue',
  'my_value',
  '12345',
);
const configKey = format(
  '[-._a-zA-Z0-9]+',
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  'key.name',
  'KEY_NAME',
  'key-name',
);
const portName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

export type NameFormat = 'subdomain' | 'label' | 'label1035';

export function checkName(format: NameFormat, name: string): string | undefined {
  switch (format) {
    case 'subdomain':
      return checkSubdomain(name);
    case 'label':
      return checkLabel1123(name);
    case 'label1035':
      return checkLabel1035(name);
  }
}

export function checkSubdomain(name: string): string | undefined {
  if (name.length > 253) return 'must be no more than 253 bytes';
  return subdomain1123.pattern.test(name) ? undefined : subdomain1123.mistake;
}

export function checkLabel1123(name: string): string | undefined {
  if (name.length > 63) return 'must be no more than 63 bytes';
  return label1123.pattern.test(name) ? undefined : label1123.mistake;
}

function checkLabel1035(name: string): string | undefined {
  if (name.length > 63) return 'must be no more than 63 bytes';
  return label1035.pattern.test(name) ? undefined : label1035.mistake;
}

/** A key of labels, annotations and finalizers: `name` or `example.com/name`. */
export function checkQualifiedName(name: string): string | undefined {
  const parts = name.split('/');
  if (parts.length > 2)
    return 'a qualified name must be a name with an optional DNS subdomain prefix and one slash';
  const part = parts.at(-1) ?? '';
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') return 'prefix part must be non-empty';
    const wrong = checkSubdomain(prefix);
    if (wrong !== undefined) return `prefix part ${wrong}`;
  }
  if (part === '') return 'name part must be non-empty';
  if (part.length > 63) return 'name part must be no more than 63 bytes';
  return qualifiedPart.pattern.test(part) ? undefined : qualifiedPart.mistake;
}

export function checkLabelValue(value: string): string | undefined {
  if (value.length > 63) return 'must be no more than 63 bytes';
  return labelValue.pattern.test(value) ? undefined : labelValue.mistake;
}

/** A key of a ConfigMap or Secret: a file name. */
export function checkConfigKey(key: string): string | undefined {
  if (key.length > 253) return 'must be no more than 253 bytes';
  if (!configKey.pattern.test(key)) return configKey.mistake;
  if (key === '.' || key.startsWith('..')) return "must not be '.' or start with '..'";
  return undefined;
}

/** A named port: IANA_SVC_NAME of RFC 6335. */
export function checkPortName(name: string): string | undefined {
  if (name.length > 15) return 'must be no more than 15 characters';
  if (!portName.test(name)) return "must contain only alphanumeric characters (a-z, 0-9) and hyphens ('-')";
  if (!/[a-z]/.test(name)) return 'must contain at least one letter (a-z)';
  if (name.includes('--')) return 'must not contain consecutive hyphens';
  return undefined;
}

/** Environment variables: any printable ASCII but `=`, as Kubernetes 1.30 and later. */
export function checkEnvVarName(name: string): string | undefined {
  if (name === '') return 'environment variable name must be non-empty';
  if (/^[\x20-\x3c\x3e-\x7e]+$/.test(name)) return undefined;
  return "a valid environment variable name must consist only of printable ASCII characters other than '='";
}

export function checkPort(port: number): string | undefined {
  return port >= 1 && port <= 65535 ? undefined : 'must be between 1 and 65535, inclusive';
}
