import * as tf from "@tensorflow/tfjs-core";
import { eachEngine } from "/work/main/tests/engines.ts";
for (let i=0;i<3;i++) eachEngine("open "+i, async (e)=>{ const a=tf.tensor1d([1,2]); const [b]=e.compile((x)=>[tf.mul(x as tf.Tensor,2)])(a); await b!.data(); a.dispose(); b!.dispose(); });
