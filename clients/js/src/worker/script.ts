/** The worker that tabs share, where no other is made: an entry by itself, which nothing imports. */
import { serveTabs } from './host.js';

serveTabs();
