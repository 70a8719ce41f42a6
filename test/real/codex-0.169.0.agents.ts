import { codex } from './clis.js';
import { tellServersStory, tellStories } from './stories.js';

tellStories(codex);
tellServersStory(codex);
