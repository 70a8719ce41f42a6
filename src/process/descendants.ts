/**
 * Remembers whom a process has begotten, while it can be seen: what empties its environment and leaves the
 * session is found by nothing else once its parent is gone.
 *
 * Linux alone shows children (`/proc/<pid>/task/<tid>/children`). One that is born and cut off between two
 * looks is not seen, and whoever comes later does not know what was seen before: a net under tags and sessions,
 * no fence.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { isRemains, type ProcessIdentity, readStat } from './identity.js';

export class Descendants {
  /** Pid → birth: a pid alone is somebody else's after a while. */
  private readonly seen = new Map<number, string>();

  /** Looks at the children of `root` and of all that was seen, down to the last. */
  look(root: ProcessIdentity): void {
    if (process.platform !== 'linux') return;
    const open = [...(readStat(root.pid)?.start === root.start ? [root.pid] : []), ...this.living()];
    const visited = new Set<number>();
    for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
      if (visited.has(pid)) continue;
      visited.add(pid);
      for (const child of childrenOf(pid)) {
        const start = readStat(child)?.start;
        if (start === undefined) continue;
        this.seen.set(child, start);
        open.push(child);
      }
    }
  }

  /** Those that are still the same processes, and alive. The others are forgotten. */
  living(): number[] {
    for (const [pid, start] of this.seen) {
      const stat = readStat(pid);
      if (stat === undefined || stat.start !== start || isRemains(stat.state)) this.seen.delete(pid);
    }
    return [...this.seen.keys()];
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
        .split(' ')
        .flatMap((word) => {
          const child = Number(word);
          return word !== '' && Number.isInteger(child) ? [child] : [];
        }),
    );
  } catch {
    return []; // Gone by now, or a kernel that does not tell.
  }
}
