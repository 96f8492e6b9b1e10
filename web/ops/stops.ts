/** The names of the stops in a policy's text: the items of its top-level list "stops". */
export function stopsIn(policy: string): string[] {
  const names: string[] = [];
  let inside = false;
  for (const line of policy.split("\n")) {
    if (/^\S/.test(line) && !line.startsWith("#") && !line.startsWith("-")) inside = /^stops\s*:/.test(line);
    if (!inside) continue;
    const name = /^\s*(?:-\s*)?name:\s*["']?([^"'#\s][^"'#]*?)["']?\s*(?:#.*)?$/.exec(line)?.[1];
    if (name !== undefined) names.push(name);
  }
  return names;
}
