import type { Event } from '../../src/model/event.js';

/** `+26:03:07`: hours, minutes and seconds since the run began. */
export function describeTime(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  const two = (number: number): string => String(Math.floor(number)).padStart(2, '0');
  return `${ms < 0 ? '-' : '+'}${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** An event as one line for whoever looks for what went wrong. */
export function describeEvent(event: Event): string {
  switch (event.type) {
    case 'run.started':
    case 'run.continued': {
      const { jobs, budget, deadline, credentials, wait } = event.settings;
      const items = event.items.map(({ id, needs }) => `${id}(${needs.join(' ')})`).join(' ');
      return `${event.type} at ${event.head}: ${items}; ${JSON.stringify({ jobs, budget, deadline, credentials, wait })}`;
    }
    case 'run.paused':
    case 'run.ended':
      return `${event.type} ${event.exit}: ${event.why}`;
    default:
      break;
  }
  if ('effect' in event) {
    const { effect, id } = event;
    const { do: _do, item, brief: _brief, ...rest } = { brief: undefined, ...effect };
    return `${event.type} ${id} ${item} ${JSON.stringify(rest)}`;
  }
  if ('outcome' in event) {
    const { type, id, item, outcome } = event;
    return `${type} ${id} ${item} ${JSON.stringify(outcome)}`;
  }
  return JSON.stringify(event);
}
