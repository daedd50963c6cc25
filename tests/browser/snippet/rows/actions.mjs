export const ACTIONS = [];
