import { earlierClaude } from './clis.js';
import { tellStories } from './stories.js';

tellStories(earlierClaude);
