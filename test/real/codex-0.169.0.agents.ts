import { codex } from './clis.js';
import { tellStories } from './stories.js';

tellStories(codex);
