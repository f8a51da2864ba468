"""Copies the layers that configs can reach out of the recorded fixtures: python make.py FIXTURES."""
import json
import os
import sys

import numpy as np

src, dst = sys.argv[1] + '/layers/', os.path.dirname(os.path.abspath(__file__)) + '/'
def copy(rel, drop=()):
    z=np.load(src+rel+'.npz'); out={k:z[k] for k in z.files if not any(k.startswith(d) for d in drop)}
    np.savez_compressed(dst+rel.split('/')[-1]+'.npz', **out)
for c in ['st_separable_batch_plain','st_separable_batch_padding_tuple','st_separable_batch_padding_int','st_separable_batch_padding_same','st_separable_batch_padding_same_even','st_separable_batch_log_speed_a','torch_full_plain','torch_full_bias_padding','torch_st_separable_plain','time_independent_plain','time_independent_bias_padding','temporal_basis']:
    copy('convolutions/'+c)
for c in ['simple_train','simple_eval','simple_same_pool_cut_train','simple_same_pool_cut_eval','simple_downsample_train','simple_downsample_eval','separable_weights']:
    copy('cores/'+c)
for c in ['plain','scaled','positive','no_bias']: copy('readouts/gaussian_mask_'+c)
for c in ['temporal_smoothing','laplace1d_padding_0_avg_False','flat_laplace_l2_3d_norm_padding_0_avg_False']: copy('regularizers/'+c)
z=np.load(src+'losses/losses.npz')
keep={k:z[k] for k in z.files if k.split('/')[-1] in('output','target') or any(n in k for n in ['/poisson.PoissonLoss3d','/correlation.CorrelationLoss3d','/mse.MSE3d'])}
np.savez_compressed(dst+'losses.npz', **keep)
v=json.load(open(src+'losses/values.json'))['values']
json.dump({k:x for k,x in v.items() if any(n in k for n in ['/poisson.PoissonLoss3d','/correlation.CorrelationLoss3d','/mse.MSE3d'])}, open(dst+'losses.json','w'), indent=1)
i={}
for g in ['convolutions','cores','readouts']:
    for k,x in json.load(open(src+g+'/index.json'))['files'].items():
        if os.path.exists(dst+k+'.npz'): i[k]={'settings':x['settings'],'mode':x['mode']}
r = json.load(open(src + "readouts/index.json"))
reg=json.load(open(src+'cores/index.json'))['values']
i['regularizers']={k:reg[k] for k in ['simple','simple_same_pool_cut','simple_downsample','separable']}
for k in r:
    if k!='files': i['readout_'+k]={n:x for n,x in r[k].items() if n.startswith('gaussian_mask')}
json.dump(i,open(dst+'index.json','w'),indent=1)
