import { claudeAcp, opencode } from './clis.js';
import { tellServersStory, tellSimpleStory } from './stories.js';

tellSimpleStory(opencode);
tellSimpleStory(claudeAcp);
tellServersStory(opencode);
tellServersStory(claudeAcp);
