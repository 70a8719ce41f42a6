import { claude } from './clis.js';
import { tellStories } from './stories.js';

tellStories(claude);
