/** What is the same wherever it is asked, told when mstone is built: the version, and the help of all commands. */
import { toldIn } from './help.js';
import { main } from './index.js';
import { makeProgram } from './program.js';
import { processWorld, type World } from './world.js';

/** By the file's name that `door.ts` looks for. */
export async function tellAll(): Promise<Map<string, string>> {
  let text = '';
  const page = { write: (part: string) => (text += part) } as unknown as NodeJS.WriteStream;
  const world: World = { ...processWorld(), env: {}, stdout: page, stderr: page };
  const commands = makeProgram(world, () => undefined).commands.map((command) => command.name());
  const told = new Map<string, string>();
  for (const argv of [['--version'], ['--help'], ...commands.map((name) => ['help', name])]) {
    text = '';
    const exit = await main(argv, world);
    const file = toldIn(argv);
    if (exit !== 0 || file === undefined) throw new Error(`mstone ${argv.join(' ')}: ${text}`);
    told.set(file, text);
  }
  return told;
}
