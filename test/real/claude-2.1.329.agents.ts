import { claude } from './clis.js';
import { tellCompactionStory, tellServersStory, tellStories } from './stories.js';

tellStories(claude);
tellCompactionStory(claude);
tellServersStory(claude);
