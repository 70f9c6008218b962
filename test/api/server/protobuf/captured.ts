/** Bodies that kubectl 1.33 sent, in base64, by its command line. */
export const captured = {
  'create namespace demo': 'azhzAAoPCgJ2MRIJTmFtZXNwYWNlEhwKFAoEZGVtbxIAGgAiACoAMgA4AEIAEgAaAgoAGgAiAA==',
  'create secret generic s --from-literal=user=admin --from-file=bin':
    'azhzAAoMCgJ2MRIGU2VjcmV0EjAKEQoBcxIAGgAiACoAMgA4AEIAEgoKA2JpbhID/wABEg0KBHVzZXISBWFkbWluGgAaACIA',
  'create configmap c --from-literal=k=v --from-file=bin':
    'azhzAAoPCgJ2MRIJQ29uZmlnTWFwEicKEQoBYxIAGgAiACoAMgA4AEIAEgYKAWsSAXYaCgoDYmluEgP/AAEaACIA',
  'create service clusterip web --tcp=80:8080':
    'azhzAAoNCgJ2MRIHU2VydmljZRJpCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkIKGwoHODAtODA4MBIDVENQGFAiBwgA' +
    'EJA/GgAoABIKCgNhcHASA3dlYhoAIglDbHVzdGVySVA6AEIAUgBaAGAAaAAaAgoAGgAiAA==',
  'create service nodeport web --tcp=80:http --node-port=30080':
    'azhzAAoNCgJ2MRIHU2VydmljZRJtCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkYKIAoHODAtaHR0cBIDVENQGFAiCggB' +
    'EAAaBGh0dHAogOsBEgoKA2FwcBIDd2ViGgAiCE5vZGVQb3J0OgBCAFIAWgBgAGgAGgIKABoAIgA=',
  'create deployment web --image=nginx --replicas=0 --port=80':
    'azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErgBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEoYBCAASDAoKCgNhcHAS' +
    'A3dlYhpsChwKABIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkwSLgoFbmdpbngSBW5naW54KgAyCgoAEAAYUCIAKgBCAGoAcgCAAQCI' +
    'AQCQAQCiAQAaADIAQgBKAFIAWABgAGgAggEAigEAmgEAwgEAIgIKACgAOAAaDAgAEAAYACAAKAA4ABoAIgA=',
  'create serviceaccount sa': 'azhzAAoUCgJ2MRIOU2VydmljZUFjY291bnQSFAoSCgJzYRIAGgAiACoAMgA4AEIAGgAiAA==',
};
