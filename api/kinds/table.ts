/** meta.k8s.io/v1 Table: what `kubectl get` prints. */
export interface TableColumn {
  name: string;
  type: 'string' | 'integer' | 'date';
  format: string;
  description: string;
  /** 0: always shown, 1: only with `-o wide`. */
  priority: number;
}

export interface TableRow {
  cells: (string | number | null)[];
  /** PartialObjectMetadata, or the whole object with `includeObject=Object`. */
  object?: unknown;
}

export interface Table {
  apiVersion: string;
  kind: 'Table';
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: TableColumn[];
  rows: TableRow[];
}
