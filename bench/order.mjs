/**
 * How far the order of a run is from the best there could be: the product's own plan, weights and list scheduling,
 * with milestones that take otherwise than they were estimated.
 *
 * The bound is the longest chain or all the work shared out evenly, whichever is more; no order reaches less. With
 * stages one after the other both are of the milestones' own dependencies alone, so that what waiting for a stage
 * costs is in the ratio.
 */
import { alone, median, row } from './rig.mjs';

/** Small and seeded: mulberry32. */
function seeded(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** About as often too high as too low: by a factor of 1.5 in the middle of them, seldom more than 3. */
const noise = (random) => Math.exp(((random() + random() + random()) * 2 - 3) * 0.6);

/** Five stages of six milestones, each on one or two of the stage before, of 10 to 100 minutes. */
function milestones(random) {
  const all = [];
  for (let stage = 1; stage <= 5; stage += 1) {
    for (let n = 0; n < 6; n += 1) {
      const letters = String.fromCharCode(65 + n);
      const before = all.filter((one) => one.stage === stage - 1);
      const needs = new Set();
      const count = before.length === 0 ? 0 : 1 + Math.floor(random() * 2);
      while (needs.size < count) needs.add(before[Math.floor(random() * before.length)].id);
      const minutes = 10 * 10 ** random();
      all.push({
        id: `${stage}${letters}`,
        stage,
        letters,
        dependsOn: [...needs],
        minutes,
        estimateMinutes: minutes * noise(random),
      });
    }
  }
  return all.map((one) => ({
    ...one,
    file: `${one.id}.md`,
    title: one.id,
    digest: one.id,
    checks: [],
    priority: 0,
    enabled: true,
    recipe: { implement: 'true' },
  }));
}

const part = {
  title: 'Order: 5 stages of 6, 4 agents, noisy estimates, makespan / bound, medians',
  async measure({ short }) {
    const { makePlan } = await import('../dist/plan/index.js');
    const { planItems } = await import('../dist/plan/items.js');
    const { boundOf, schedule } = await import('../dist/plan/schedule.js');
    const config = {
      agent: 'recipe',
      agents: { recipe: { kind: 'recipe' } },
      review: false,
      checks: [],
      approval: 'none',
      retries: 0,
      git: { hooks: false },
    };
    const ratios = Array.from({ length: short ? 200 : 1000 }, (_, n) => {
      const all = milestones(seeded(n + 1));
      const plan = makePlan({ target: 'main', milestones: all, landings: new Map(), selection: { ids: [] } });
      if (!plan.ok) throw new Error(plan.error[0].message);
      const items = planItems(plan.value, config, { gates: new Set(), base: false });
      if (!items.ok) throw new Error(items.error[0].message);
      const took = new Map(all.map(({ id, minutes }) => [id, minutes]));
      const tasks = items.value.map((item) => ({ ...item, minutes: took.get(item.id) }));
      const own = tasks.map((task) => ({ ...task, needs: all.find(({ id }) => id === task.id).dependsOn }));
      const bound = boundOf(own, 4);
      return { strict: schedule(tasks, 4).minutes / bound, free: schedule(own, 4).minutes / bound };
    });
    const of = (name) => ratios.map((one) => one[name]);
    const p95 = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length * 0.95)];
    return [
      row('stages: strict', median(of('strict')), { note: `95 % at most ${p95(of('strict')).toFixed(2)}` }),
      row('the same order, were only dependencies awaited', median(of('free')), {
        note: `95 % at most ${p95(of('free')).toFixed(2)}`,
      }),
    ];
  },
};
export default part;
await alone(import.meta.url, part);
