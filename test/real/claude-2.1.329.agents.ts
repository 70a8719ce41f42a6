import { claude } from './clis.js';
import { tellCompactionStory, tellStories } from './stories.js';

tellStories(claude);
tellCompactionStory(claude);
