/** The guide's first manifests, as people write them. */

export const replicationController = `
apiVersion: v1
kind: ReplicationController
metadata: {name: my-nginx}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: nginx}}
    spec: {containers: [{name: nginx, image: nginx, ports: [{containerPort: 80}]}]}
`;

export const service = `
apiVersion: v1
kind: Service
metadata: {name: nginxsvc, labels: {app: nginx}}
spec: {ports: [{port: 80}], selector: {app: nginx}}
`;

export const pod = `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: nginx, image: 'nginx:1'}]}
`;
