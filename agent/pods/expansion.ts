/**
 * Replaces `$(NAME)` by its value, as the kubelet does in env values, command and args: an unknown name stays as
 * it is written, `$$` is a literal `$`. Source: kubernetes third_party/forked/golang/expansion.
 */
export function expandVariables(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (written, name: string | undefined) =>
    name === undefined ? '$' : (lookup(name) ?? written),
  );
}
