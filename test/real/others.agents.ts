import { claudeAcp, opencode } from './clis.js';
import { tellSimpleStory } from './stories.js';

tellSimpleStory(opencode);
tellSimpleStory(claudeAcp);
