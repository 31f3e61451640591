import type { StateDictMetadata } from '../checkpoint/metadata.js';
import { buildTree, type Module, type TreeOptions } from './module-tree.js';

/** torch.nn's modules whose part of a state dict has changed since version 1. */
const VERSIONS: Readonly<Record<string, number>> = { BatchNorm2d: 2 };

/** The `_metadata` of torchvision's `googlenet().state_dict()`: every module's path, in order. */
export function googlenetMetadata(options: TreeOptions): StateDictMetadata {
  return new Map(versions(buildTree(options), ''));
}

function versions({ type, children = [] }: Module, path: string): [string, number][] {
  const prefix = path === '' ? '' : `${path}.`;
  const inner = children.flatMap((child) => versions(child, prefix + child.name));
  return [[path, VERSIONS[type] ?? 1], ...inner];
}
