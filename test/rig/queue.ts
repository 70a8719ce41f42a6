/** A landing queue with random outcomes, taken to its end by the planner of the merge train alone. */
import type { TrainMode } from '../../src/model/state.js';
import { type Car, failedPace, firstPace, landedPace, planTrain, queuedPace } from '../../src/run/train.js';
import { seeded } from './world.js';

export interface QueueTrial {
  /** Milestones in the queue at the beginning. */
  readonly queued: number;
  /** Share of them that fails with whatever it is merged, 0 to 1. */
  readonly failing: number;
  /** Checks at once. */
  readonly parallel: number;
  readonly strict: TrainMode | 'auto';
  /** Share that goes alone, 0 to 1. */
  readonly barrier?: number;
}

export interface QueueEnd {
  /** Each takes as long as one check: what runs at the same time counts once. */
  readonly rounds: number;
  readonly checks: number;
  readonly landed: readonly number[];
  readonly back: readonly number[];
  /** What must not be, in words. */
  readonly violations: readonly string[];
}

interface Simulated {
  readonly number: number;
  readonly bad: boolean;
  readonly alone: boolean;
  state: Car['state'];
}

/** Who goes back does not come again. */
export function liveQueue(
  seed: number,
  { queued, failing, parallel, strict, barrier = 0 }: QueueTrial,
): QueueEnd {
  const random = seeded(seed);
  let cars: Simulated[] = Array.from({ length: queued }, (_, number) => ({
    number,
    bad: random() < failing,
    alone: random() < barrier,
    state: 'waiting',
  }));
  const [landed, back]: [number[], number[]] = [[], []];
  const violations: string[] = [];
  let pace = firstPace(parallel);
  let [rounds, checks] = [0, 0];
  while (cars.length > 0 && rounds < 10 * queued) {
    for (;;) {
      pace = queuedPace(pace, strict, cars.length, parallel);
      const { culprit, land, build, check } = planTrain(cars, pace, parallel);
      if (culprit !== undefined) {
        const gone = cars[culprit];
        if (gone === undefined || !gone.bad || culprit !== 0) violations.push(`${gone?.number} is blamed`);
        back.push(gone?.number ?? -1);
        cars = cars.filter((car) => car !== gone);
        for (const car of cars) car.state = 'waiting';
        pace = failedPace(pace, parallel);
      } else if (land !== undefined) {
        const train = cars.slice(0, land + 1);
        const own = pace.mode === 'every-commit' ? train : train.slice(-1);
        if (own.some(({ state }) => state !== 'passed') || train.some(({ bad }) => bad)) {
          violations.push(`${train.map(({ number }) => number).join(', ')} land without having passed`);
        }
        if (train.length > 1 && train.some(({ alone }) => alone))
          violations.push('one that goes alone did not');
        landed.push(...train.map(({ number }) => number));
        cars = cars.slice(land + 1);
        pace = landedPace(pace, land + 1, parallel);
      } else if (build !== undefined) (cars[build] as Simulated).state = 'built';
      else if (check.length > 0) for (const place of check) (cars[place] as Simulated).state = 'checking';
      else break;
    }
    if (cars.length === 0) break;
    rounds += 1;
    const running = cars.filter(({ state }) => state === 'checking').length;
    if (running > parallel) violations.push(`${running} checks at once`);
    checks += running;
    cars.forEach((car, place) => {
      if (car.state !== 'checking') return;
      car.state = cars.slice(0, place + 1).some(({ bad }) => bad) ? 'failed' : 'passed';
    });
  }
  if (cars.length > 0) violations.push(`${cars.length} are stuck`);
  return { rounds, checks, landed, back, violations };
}
