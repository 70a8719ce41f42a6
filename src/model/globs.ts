/**
 * Which of `paths` a pattern means: `*` and `?` within a name, `**` over folders, braces and brackets as they
 * are. A pattern without a slash means such a name in every folder. Paths have forward slashes.
 */
export function matching(patterns: readonly string[], paths: readonly string[]): string[] {
  const shapes = patterns.map(shapeOf);
  return paths.filter((path) => shapes.some((shape) => shape.test(path)));
}

function shapeOf(pattern: string): RegExp {
  const whole = pattern.includes('/') ? pattern.replace(/^\//, '') : `**/${pattern}`;
  const parts = whole.split(/(\*\*\/|\*\*|\*|\?)/).map((part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}${pattern.endsWith('/') ? '.*' : ''}$`, 's');
}
